"""Compaction changes files, never rows; nothing younger than a week is removed."""

from landing import flight


def test_small_files_become_one_and_rows_stay(world, job, table):
    for run in ("run-1", "run-2", "run-3"):
        world.land("flights", [flight(1), flight(2, tailnum=None)], run=run)
        job("bronze", "--tables", "flights", run=run)
    before = sorted(map(str, table("bronze/flights").collect()))
    parquet = len(list((world.root / "lake/bronze/flights").glob("*.parquet")))

    [first] = job("optimize")["tables"]
    [again] = job("optimize")["tables"]

    assert (first["filesBefore"], first["files"], first["rows"], first["written"]) == (3, 1, 6, True)
    assert int(first["contentHash"]) != 0
    assert (again["files"], again["rows"]) == (1, 6)
    assert sorted(map(str, table("bronze/flights").collect())) == before
    # The three files that were compacted are younger than a week: VACUUM left them for readers and for restore.
    assert len(list((world.root / "lake/bronze/flights").glob("*.parquet"))) == parquet + 1


def test_a_retention_under_a_week_is_refused_before_anything_is_done(world, job):
    world.land("airlines", [{"carrier": "UA", "name": "United"}])
    job("bronze", "--tables", "airlines")
    before = job("versions")["versions"]
    result = job("optimize", "--retain-hours", "167")
    assert (result["exit"], result["code"]) == (1, "VACUUM_RETENTION_TOO_SHORT")
    assert job("versions")["versions"] == before


def test_the_content_hash_sees_what_order_and_layout_do_not_change(spark):
    from waybill_jobs.quality import content_hash

    def of(*rows):
        return content_hash(spark.createDataFrame(list(rows), "a string, b string"))

    base = of(("x", None), ("y", "z"))
    assert of(("y", "z"), ("x", None)) == base
    assert of((None, "x"), ("y", "z")) != base
    assert of(("x", ""), ("y", "z")) != base
    assert of(("x", None), ("y", "z"), ("y", "z"))[1] != base[1]
