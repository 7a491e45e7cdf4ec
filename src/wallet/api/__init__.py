"""The HTTP surface: routes, problems, documents and the edge around them."""
