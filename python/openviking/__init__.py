"""OpenViking: embeddings, skill search and memory for AI agents on one CPU machine."""
