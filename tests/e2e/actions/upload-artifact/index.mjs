import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

// The client refuses servers that it does not know.
process.env.GITHUB_SERVER_URL = "https://github.com";
const { DefaultArtifactClient } = await import(process.env.E2E_ARTIFACT_CLIENT);

const input = (name) => process.env[`INPUT_${name}`];
const root = join(process.env.GITHUB_WORKSPACE, input("PATH"));
const files = readdirSync(root, { recursive: true })
  .map((name) => join(root, name))
  .filter((path) => statSync(path).isFile());
console.log(await new DefaultArtifactClient().uploadArtifact(input("NAME"), files, root));
