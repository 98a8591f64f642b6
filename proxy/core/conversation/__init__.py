"""What a user's turn leans on: read by rules of English, without a model."""
