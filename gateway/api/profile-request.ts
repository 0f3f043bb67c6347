/** What a client asks of a profile, from the JSON of `POST /v1/functions/{name}/profile`. An empty body asks for the usual. */
import * as v from "valibot";
import { DawnletError } from "../../kernels/errors.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import { defaultProfile, type ProfileRequest } from "../functions/profile/profiles.ts";
import { parseJson } from "../tensors/json-text.ts";
import { checkParameter, findParameter, listNames } from "./parameters.ts";
import { parseField } from "./short-form-request.ts";

export const maxProfileSeconds = 600;

const whole = (most: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(most));
const requestSchema = v.strictObject({
  seconds: v.exactOptional(v.pipe(v.number(), v.gtValue(0), v.maxValue(maxProfileSeconds))),
  device: v.exactOptional(v.string()),
  quotas: v.exactOptional(
    v.pipe(v.array(v.pipe(v.number(), v.minValue(0.01), v.maxValue(1))), v.maxLength(10)),
  ),
  lanes: v.exactOptional(whole(64)),
  batches: v.exactOptional(v.pipe(v.array(whole(256)), v.maxLength(10))),
  dimensions: v.exactOptional(v.record(v.string(), whole(2 ** 31 - 1))),
  inputs: v.exactOptional(v.record(v.string(), v.unknown())),
  parameters: v.exactOptional(v.record(v.string(), v.unknown())),
});

/** All that is asked but which version of which function. */
export type AskedProfile = Omit<ProfileRequest, "name" | "version">;

/** @throws DawnletError INVALID_ARGUMENT naming what is wrong. */
export function parseProfileRequest(text: string, version: FunctionVersion): AskedProfile {
  const json = text.trim() === "" ? {} : parseJson(text, { exactIntegers: true });
  const result = v.safeParse(requestSchema, json);
  if (!result.success) {
    const [issue] = result.issues;
    throw refused(version, `${v.getDotPath(issue) ?? "the body"} is wrong: ${issue.message}`);
  }
  const { inputs = {}, parameters = {}, dimensions = {}, ...options } = result.output;
  return {
    ...defaultProfile,
    ...options,
    dimensions,
    inputs: inputTensors(inputs, version),
    parameters: parameterValues(parameters, version),
  };
}

function inputTensors(
  given: Readonly<Record<string, unknown>>,
  version: FunctionVersion,
): Readonly<Record<string, Tensor>> {
  const { inputs } = version.signature;
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const input = inputs.find((one) => one.name === name);
      if (input === undefined)
        throw refused(version, `there is no input '${name}': it has ${listNames(inputs)}`);
      return [name, parseField(input, value)];
    }),
  );
}

function parameterValues(
  given: Readonly<Record<string, unknown>>,
  version: FunctionVersion,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const parameter = findParameter(version.signature, name);
      if (parameter !== undefined) return [name, checkParameter(parameter, value)];
      const known = listNames(version.signature.parameters);
      throw refused(version, `there is no parameter '${name}': it has ${known}`);
    }),
  );
}

function refused({ name }: FunctionVersion, why: string): DawnletError {
  return new DawnletError("INVALID_ARGUMENT", `Cannot profile function '${name}' as ${why}`);
}
