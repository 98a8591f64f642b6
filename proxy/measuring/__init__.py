"""What operators measure: right and wrong hits, thresholds, the cost of a bound on errors."""
