"""The emulated GitHub: REST, some GraphQL, the artifact service, its blob store, and web pages."""
