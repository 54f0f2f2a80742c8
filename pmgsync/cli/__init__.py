"""The front door: commands, and the one place where adapters are built and handed to the roles."""
