"""Reprise: an OpenAI-compatible reverse proxy that answers from a semantic cache."""
