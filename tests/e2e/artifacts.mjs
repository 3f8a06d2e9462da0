// artifacts.mjs CLIENT upload NAME FOLDER | CLIENT download NAME FOLDER: as GitHub's own actions do.
import { readdirSync } from "node:fs";
import { join } from "node:path";

const [client, verb, name, folder] = process.argv.slice(2);
const { DefaultArtifactClient } = await import(client);
const artifacts = new DefaultArtifactClient();

if (verb === "upload") {
  const files = readdirSync(folder).map((file) => join(folder, file));
  await artifacts.uploadArtifact(name, files, folder);
} else {
  const { artifact } = await artifacts.getArtifact(name);
  const options = { path: folder, expectedHash: artifact.digest };
  const { digestMismatch } = await artifacts.downloadArtifact(artifact.id, options);
  if (digestMismatch) throw new Error("The digest does not match.");
}
