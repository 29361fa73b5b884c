"""What a developer uses beside the platform. The platform itself imports nothing from here."""
