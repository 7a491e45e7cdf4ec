import { start } from "../parts/start";
import { App } from "./App";
import "./app.css";

start("app", <App />);
