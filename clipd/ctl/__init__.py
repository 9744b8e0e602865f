"""clipctl, the client. Standard library and click only, so that it starts fast."""
