/** The process in which new shaders are compiled first: a device process by another name, so that it can be told from those that serve. */
import "../device/main.ts";
