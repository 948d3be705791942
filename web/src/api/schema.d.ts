/** Stands in until `make api` writes this file from the queen's /openapi.json. */
interface AnyOperation {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  parameters: any;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  requestBody?: { content: { "application/json": any } };
  responses: {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    200: { content: { "application/json": any } };
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    default: { content: { "application/json": any } };
  };
}
export type paths = Record<
  string,
  Record<"get" | "post" | "put" | "patch" | "delete" | "head" | "options" | "trace", AnyOperation>
>;
