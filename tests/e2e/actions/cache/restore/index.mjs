const { restoreCache } = await import(process.env.E2E_CACHE_CLIENT);

const lines = (name) => (process.env[`INPUT_${name}`] ?? "").split("\n").map((line) => line.trim()).filter(Boolean);
console.log("restored:", await restoreCache(lines("PATH"), lines("KEY")[0], lines("RESTORE-KEYS")));
