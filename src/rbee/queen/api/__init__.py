"""The queen's doors: OpenAI, jobs, heartbeats, control."""
