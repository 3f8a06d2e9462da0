"""An emulated GitHub: REST, a little GraphQL, the artifact service, its blob store and pages."""
