"""Okta: whose credentials, and the one HTTP client."""
