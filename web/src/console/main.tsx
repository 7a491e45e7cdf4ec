import { start } from "../parts/start";
import { App } from "./App";
import "./console.css";

start("console", <App />);
