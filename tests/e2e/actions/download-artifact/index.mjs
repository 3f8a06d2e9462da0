// The client refuses servers that it does not know.
process.env.GITHUB_SERVER_URL = "https://github.com";
const { DefaultArtifactClient } = await import(process.env.E2E_ARTIFACT_CLIENT);

const client = new DefaultArtifactClient();
const { artifact } = await client.getArtifact(process.env.INPUT_NAME);
const options = { path: process.env.INPUT_PATH, expectedHash: artifact.digest };
const { digestMismatch } = await client.downloadArtifact(artifact.id, options);
if (digestMismatch) process.exit(1);
