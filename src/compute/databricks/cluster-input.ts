// A cluster profile as the body of clusters/create, with the tags and the name by which the cluster is found again.
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { DatabricksClusterProfile, OwnClusterRequest } from '../../core/spark.ts';

/** Tags that say whose cluster it is; the look before a create reads them. */
export const OWNER_TAG = 'waybill:owner';
export const GENERATION_TAG = 'waybill:generation';
const MOST_NAME = 100;

const clusterName = ({ name, owner }: OwnClusterRequest): string =>
  `waybill ${name} ${owner}`.slice(0, MOST_NAME);

/** Body of clusters/create. */
export function createInput(request: OwnClusterRequest, profile: DatabricksClusterProfile): JsonObject {
  const { autoscale, workers, awsAttributes: aws, azureAttributes: azure, logUri } = profile;
  const single = workers === 0;
  return {
    cluster_name: clusterName(request),
    spark_version: profile.sparkVersion,
    ...given('node_type_id', profile.nodeTypeId),
    ...given('driver_node_type_id', profile.driverNodeTypeId),
    ...given('instance_pool_id', profile.instancePoolId),
    ...given('driver_instance_pool_id', profile.driverInstancePoolId),
    ...(autoscale === undefined
      ? { num_workers: workers ?? 1 }
      : { autoscale: { min_workers: autoscale.minimum, max_workers: autoscale.maximum } }),
    autotermination_minutes: profile.autoterminationMinutes,
    runtime_engine: profile.runtimeEngine,
    data_security_mode: profile.dataSecurityMode,
    ...given('single_user_name', profile.singleUserName),
    ...given('policy_id', profile.policyId),
    ...(aws === undefined
      ? {}
      : {
          aws_attributes: {
            availability: aws.availability,
            first_on_demand: aws.firstOnDemand,
            zone_id: aws.zoneId,
            ...given('spot_bid_price_percent', aws.spotBidPricePercent),
            ...given('instance_profile_arn', aws.instanceProfileArn),
          },
        }),
    ...(azure === undefined
      ? {}
      : {
          azure_attributes: {
            availability: azure.availability,
            first_on_demand: azure.firstOnDemand,
            ...given('spot_bid_max_price', azure.spotBidMaxPrice),
          },
        }),
    spark_conf: {
      ...(single ? { 'spark.databricks.cluster.profile': 'singleNode', 'spark.master': 'local[*]' } : {}),
      ...profile.sparkConf,
    },
    spark_env_vars: { ...profile.sparkEnvVars },
    custom_tags: {
      ...(single ? { ResourceClass: 'SingleNode' } : {}),
      ...profile.tags,
      [OWNER_TAG]: request.owner,
      [GENERATION_TAG]: String(request.generation),
    },
    ...(profile.initScripts.length === 0 ? {} : { init_scripts: profile.initScripts.map(initScript) }),
    ...(logUri === undefined
      ? {}
      : { cluster_log_conf: { [logUri.startsWith('s3:') ? 's3' : 'dbfs']: { destination: logUri } } }),
  };
}

const given = (key: string, value: JsonValue | undefined): JsonObject =>
  value === undefined ? {} : { [key]: value };

/** Where a script lies is said by the kind of its address. */
export function initScript(path: string): JsonObject {
  const kind = /^(dbfs|s3|abfss|gs|file):/.exec(path)?.[1];
  if (kind === undefined)
    return { [path.startsWith('/Volumes/') ? 'volumes' : 'workspace']: { destination: path } };
  return { [kind === 'gs' ? 'gcs' : kind]: { destination: path } };
}
