"""Define the layers and inputs that several networks share."""
