"""The read models in OpenSearch."""
