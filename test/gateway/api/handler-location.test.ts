/** Redirects of handlers. */
import { expect, test } from "vitest";
import { locationForClients } from "../../../gateway/api/handler-location.ts";

const moved = (location: string) => locationForClients(location, "http://host:8080", "/function/app");

test.each([
  ["/", "/function/app/"],
  ["/login?next=/a#b", "/function/app/login?next=/a#b"],
  ["http://host:8080/login", "http://host:8080/function/app/login"],
  ["/function/application", "/function/app/function/application"],
  ["/function/other/x", "/function/app/function/other/x"],
])("a path of the handler's own, %s, gets the function's prefix", (location, expected) => {
  expect(moved(location)).toBe(expected);
});

test.each([
  "login",
  "./login",
  "?x=1",
  "#top",
  "",
  "//elsewhere/x",
  "/\\elsewhere/x",
  "http://host:8081/login",
  "http://host:8080.elsewhere/login",
  "https://host:8080/login",
  "/function/app",
  "/function/app/login",
  "/function/app?x",
  "http://host:8080/function/app/login",
])("%s stays as it is", (location) => {
  expect(moved(location)).toBe(location);
});
