"""License headers, license notices, and the licenses that a repository states."""
