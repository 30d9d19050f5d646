"""What serves the pages: lifespan, routes, guard, visitors."""
