"""waybill's Spark jobs: landed files to bronze, silver and gold Delta tables, compaction, and the way back."""
