"""What the rooms ask of the outside world: small protocols, each with a contract test."""
