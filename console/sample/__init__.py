"""A small orders API with its OpenAPI document, so that a fresh installation has something to publish."""
