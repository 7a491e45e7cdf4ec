"""The asynchronous client. `make sdk-python` makes the synchronous one, `_sync`, out of it."""
