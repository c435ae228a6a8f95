"""Talks to the Databricks stand-in by Databricks' own SDK: statements, saved queries, sql_task and dbt_task.
Prints one JSON object with what the SDK made of the answers. Arguments: host, token."""

import base64
import json
import sys
from datetime import timedelta

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, NotImplemented
from databricks.sdk.service import jobs, sql, workspace

w = WorkspaceClient(host=sys.argv[1], token=sys.argv[2], auth_type="pat", config=None)
told: dict[str, object] = {}
(warehouse,) = list(w.warehouses.list())
told["warehouse"] = warehouse.state.value
execute = w.statement_execution.execute_statement


def finished(statement: sql.StatementResponse) -> sql.StatementResponse:
    while statement.status.state in (sql.StatementState.PENDING, sql.StatementState.RUNNING):
        statement = w.statement_execution.get_statement(statement.statement_id)
    return statement


def run(text: str, **more: object) -> sql.StatementResponse:
    return finished(execute(text, warehouse.id, wait_timeout="50s", **more))


def rows(text: str) -> list[list[str]] | None:
    done = run(text)
    assert done.result is not None, done.status.error.message
    return done.result.data_array


typed = run(
    "SELECT CAST(:n AS BIGINT) + 1 AS n, :word AS word, DATE'2013-01-02' AS day, "
    "TIMESTAMP'2013-01-02 03:04:05' AS at, CAST(1.50 AS DECIMAL(9,2)) AS price, array(1, 2) AS list, "
    "CAST(NULL AS STRING) AS nothing",
    parameters=[
        sql.StatementParameterListItem(name="n", value="41", type="BIGINT"),
        sql.StatementParameterListItem(name="word", value="it's"),
    ],
)
told["columns"] = [[one.name, one.type_name.value] for one in typed.manifest.schema.columns]
told["row"] = typed.result.data_array[0]
limited = run("SELECT id FROM range(25000)", row_limit=20001)
told["chunks"] = [limited.manifest.total_chunk_count, limited.manifest.total_row_count, limited.manifest.truncated]
last = w.statement_execution.get_statement_result_chunk_n(limited.statement_id, 2)
told["last"] = last.data_array
bad = run("SELECT nothing FROM nowhere")
told["bad"] = [bad.status.state.value, bad.status.error.error_code.value, "nowhere" in bad.status.error.message]
slow = execute("SELECT count(*) FROM range(100000000000) a WHERE hash(a.id) = 1", warehouse.id, wait_timeout="0s")
w.statement_execution.cancel_execution(slow.statement_id)
told["cancelled"] = w.statement_execution.get_statement(slow.statement_id).status.state.value
told["after"] = rows("SELECT 1")
for name, call in {
    "unknown": lambda: w.statement_execution.get_statement("01ef-none"),
    "catalog": lambda: run("SELECT 1", catalog="main"),
}.items():
    try:
        call()
    except (NotFound, NotImplemented) as error:
        told[name] = type(error).__name__

rows("CREATE SCHEMA IF NOT EXISTS shop")
rows("CREATE OR REPLACE TABLE shop.orders USING delta AS SELECT id, id * 2 AS price FROM range(10)")
query = w.queries.create(
    query=sql.CreateQueryRequestQuery(
        display_name="add",
        warehouse_id=warehouse.id,
        query_text="-- two; statements\nINSERT INTO shop.orders VALUES (100, CAST(:price AS BIGINT));\nSELECT ';' AS a",
    )
)


def put(path: str, text: str) -> None:
    content = base64.b64encode(text.encode()).decode()
    w.workspace.import_(path, content=content, format=workspace.ImportFormat.RAW, overwrite=True)


put("/sql/more.sql", "INSERT INTO shop.orders VALUES (101, 1)")
put("/shop/dbt_project.yml", "name: shop\nversion: 1.0.0\nprofile: shop\nmodels: {shop: {+file_format: delta}}\n")
put("/shop/models/totals.sql", "{{ config(materialized='table') }}\nselect sum(price) as total from shop.orders\n")
put(
    "/shop/models/totals.yml",
    "models:\n  - name: totals\n    columns:\n      - name: total\n        data_tests: [not_null]\n",
)


def submitted(*tasks: jobs.SubmitTask) -> jobs.Run:
    return w.jobs.submit(run_name="shop", tasks=list(tasks)).result(timeout=timedelta(minutes=10))


on = warehouse.id
done = submitted(
    jobs.SubmitTask(
        task_key="query",
        sql_task=jobs.SqlTask(
            warehouse_id=on, query=jobs.SqlTaskQuery(query_id=query.id), parameters={"price": "900"}
        ),
    ),
    jobs.SubmitTask(
        task_key="file",
        depends_on=[jobs.TaskDependency("query")],
        sql_task=jobs.SqlTask(warehouse_id=on, file=jobs.SqlTaskFile(path="/sql/more.sql")),
    ),
    jobs.SubmitTask(
        task_key="marts",
        depends_on=[jobs.TaskDependency("file")],
        dbt_task=jobs.DbtTask(
            project_directory="/shop", commands=["dbt run", "dbt test"], schema="shop_marts", warehouse_id=on
        ),
    ),
)
told["run"] = {task.task_key: task.state.result_state.value for task in done.tasks}
outputs = {task.task_key: w.jobs.get_run_output(task.run_id) for task in done.tasks}
told["query_text"] = outputs["query"].sql_output.query_output.query_text
told["dbt_logs"] = outputs["marts"].logs
told["total"] = rows("SELECT total FROM shop_marts.totals")

put("/shop/models/totals.yml", "models: []\n")
put("/shop/models/totals.sql", "select nothing from shop.orders\n")
broken = submitted(
    jobs.SubmitTask(
        task_key="marts",
        dbt_task=jobs.DbtTask(
            project_directory="/shop", commands=["dbt run"], schema="shop_marts", warehouse_id=on
        ),
    )
)
told["failed"] = broken.state.result_state.value
told["failed_logs"] = w.jobs.get_run_output(broken.tasks[0].run_id).logs
print(json.dumps(told))
