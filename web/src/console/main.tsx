import { start } from "../parts/start";

start("console", <p>console</p>);
