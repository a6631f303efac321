"""Pages of the registry: they read selectors, call services and render. No rule lives here."""
