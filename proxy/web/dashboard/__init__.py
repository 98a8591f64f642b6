"""The dashboard: one page over the admin API, for operators."""
