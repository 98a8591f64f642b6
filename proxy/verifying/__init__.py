"""Whether one answer serves two questions, judged by a model that reads both."""
