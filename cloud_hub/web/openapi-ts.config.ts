/** The client is made from the hub's own description, so that a change of the API is a compile error here. */
import { defineConfig } from "@hey-api/openapi-ts";

export default defineConfig({
  input: "../../config/schema/openapi.json",
  output: { path: "src/client", clean: true },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
});
