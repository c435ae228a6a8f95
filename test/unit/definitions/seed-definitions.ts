// The Data Factory definitions of the document that waybill was asked for with, letter for letter: without
// `properties`, with comments, with properties in the wrong place.

export const SEED: Readonly<Record<string, string>> = {
  'linkedService/ls_snowflake.json': `{
		  "name": "ls_snowflake",
		  "type": "Snowflake",
		  "parameters": {},
		  "typeProperties": {
			"connectionString": "jdbc:snowflake://<account>.snowflakecomputing.com",
			"user": "<username>",
			"password": {
			  "type": "AzureKeyVaultSecret",
			  "store": { "referenceName": "ls_akv", "type": "LinkedServiceReference" },
			  "secretName": "snowflake-pwd"
			},
			"database": "<database>",
			"warehouse": "<warehouse>"
		  }
		}`,
  'linkedService/ls_azuresql.json': `{
		  "name": "ls_azuresql",
		  "type": "AzureSqlDatabase",
		  "typeProperties": {
			"connectionString": "Integrated Security=False;Encrypt=True;Connection Timeout=30;Data Source=<server>.database.windows.net;Initial Catalog=<database>;User ID=<user>"
		  }
		}`,
  'dataset/ds_snowflake_table.json': `{
		  "name": "ds_snowflake_table",
		  "properties": {
			"linkedServiceName": {
			  "referenceName": "ls_snowflake",
			  "type": "LinkedServiceReference"
			},
			"type": "SnowflakeTable",
			"typeProperties": {
			  "schema": "PUBLIC",
			  "table": "your_table"
			}
		  }
		}`,
  'dataset/ds_azuresql_table.json': `{
		  "name": "ds_azuresql_table",
		  "properties": {
			"linkedServiceName": {
			  "referenceName": "ls_azuresql",
			  "type": "LinkedServiceReference"
			},
			"type": "AzureSqlTable",
			"typeProperties": {
			  "tableName": "dbo.your_table"
			}
		  }
		}`,
  'pipeline/pl_snowflake_to_azuresql.json': `{
		  "name": "pl_snowflake_to_azuresql",
		  "properties": {
			"activities": [
			  {
				"name": "Copy_from_Snowflake",
				"type": "Copy",
				"inputs": [ { "referenceName": "ds_snowflake_table", "type": "DatasetReference" } ],
				"outputs": [ { "referenceName": "ds_azuresql_table", "type": "DatasetReference" } ],
				"typeProperties": {
				  "source": { "type": "SnowflakeSource" },
				  "sink": { "type": "AzureSqlSink" },
				  "enableStaging": false
				}
			  }
			]
		  }
		}`,
  'pipeline/pl_azuresql_to_snowflake.json': `{
		  "name": "pl_azuresql_to_snowflake",
		  "properties": {
			"activities": [
			  {
				"name": "Copy_to_Snowflake",
				"type": "Copy",
				"inputs": [ { "referenceName": "ds_azuresql_table", "type": "DatasetReference" } ],
				"outputs": [ { "referenceName": "ds_snowflake_table", "type": "DatasetReference" } ],
				"typeProperties": {
				  "source": { "type": "AzureSqlSource" },
				  "sink": { "type": "SnowflakeSink" },
				  "preCopyScript": "TRUNCATE TABLE PUBLIC.your_table"
				}
			  }
			]
		  }
		}`,
  'trigger/trigger_blob_created.json': `{
			  "name": "trigger_blob_created",
			  "properties": {
				"pipelines": [{
				  "pipelineReference": {
					"referenceName": "pl_azuresql_to_snowflake", // Trigger when new data arrives
					"type": "PipelineReference"
				  },
				  "parameters": {
					"source_file": "@triggerBody().fileName"
				  }
				}],
				"type": "BlobEventsTrigger"
			  }
			}`,
  'trigger/trigger_hourly.json': `{
		  "name": "trigger_hourly",
		  "properties": {
			"type": "TumblingWindowTrigger",
			"runtimeState": "Started",
			"typeProperties": {
			  "frequency": "Hour",
			  "interval": 1,
			  "startTime": "2023-01-01T00:00:00Z"
			},
			"pipeline": {
			  "pipelineReference": {
				"referenceName": "pl_snowflake_to_azuresql",
				"type": "PipelineReference"
			  }
			}
		  }
		}`,
  'linkedService/SnowflakeLinkedService.json': `{

"name": "SnowflakeLinkedService",

"properties": {

"type": "Snowflake",

"typeProperties": {

"connectionString": "account=<account>;warehouse=<warehouse>;database=<database>;user=<user>;password=<password>",

"encryptedCredential": "<encrypted credential>"

}

}

}`,
  'linkedService/AzureSqlLinkedService.json': `{

"name": "AzureSqlLinkedService",

"properties": {

"type": "AzureSqlDatabase",

"typeProperties": {

"connectionString": "Server=tcp:<servername>.database.windows.net,1433;Database=<databasename>;User ID=<username>;Password=<password>;Trusted_Connection=False;Encrypt=True;"

}

}

}`,
  'dataset/SnowflakeDataset.json': `{

"name": "SnowflakeDataset",

"properties": {

"linkedServiceName": {

"referenceName": "SnowflakeLinkedService",

"type": "LinkedServiceReference"

},

"type": "SnowflakeTable",

"typeProperties": {

"schema": "<schema>",

"table": "<table>"

}

}

}`,
  'dataset/AzureSqlDataset.json': `{

"name": "AzureSqlDataset",

"properties": {

"linkedServiceName": {

"referenceName": "AzureSqlLinkedService",

"type": "LinkedServiceReference"

},

"type": "AzureSqlTable",

"typeProperties": {

"tableName": "<table>"

}

}

}`,
  'pipeline/CopyPipeline_Snowflake_to_AzureSQL.json': `{

"name": "CopyPipeline_Snowflake_to_AzureSQL",

"properties": {

"activities": [

{

"name": "CopyFromSnowflakeToAzureSQL",

"type": "Copy",

"inputs": [

{

"referenceName": "SnowflakeDataset",

"type": "DatasetReference"

}

],

"outputs": [

{

"referenceName": "AzureSqlDataset",

"type": "DatasetReference"

}

],

"typeProperties": {

"source": {

"type": "SnowflakeSource"

},

"sink": {

"type": "AzureSqlSink"

}

}

}

]

}

}`,
  'trigger/TumblingWindowTrigger.json': `{

"name": "TumblingWindowTrigger",

"properties": {

"type": "TumblingWindowTrigger",

"typeProperties": {

"frequency": "Minute",

"interval": 15,

"startTime": "2023-01-01T00:00:00Z",

"delay": "00:00:00"

},

"pipeline": {

"pipelineReference": {

"referenceName": "CopyPipeline_Snowflake_to_AzureSQL",

"type": "PipelineReference"

}

}

}

}`,
};
