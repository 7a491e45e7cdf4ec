"""The domain: entities, rules and errors of the wallet, pure Python without input or output."""
