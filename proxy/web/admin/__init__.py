"""The admin API: operators and their tools see what is cached, and have it forgotten."""
