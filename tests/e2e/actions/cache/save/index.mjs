const { saveCache } = await import(process.env.E2E_CACHE_CLIENT);

console.log("saved:", await saveCache([process.env.INPUT_PATH], process.env.INPUT_KEY));
