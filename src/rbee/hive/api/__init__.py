"""The hive's HTTP server: who may come in, which routes there are."""
