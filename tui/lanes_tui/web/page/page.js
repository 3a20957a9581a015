// Asks for the token, and hands it over in the first message of the WebSocket that the terminal opens: so it is in no
// address, no header and no log. It stays in this tab's memory.
"use strict";
(() => {
  const nonce = document.currentScript.nonce;
  const Socket = window.WebSocket;
  let token = "";

  // The terminal creates its style sheets itself; without the nonce the policy of this page would refuse them.
  const create = Document.prototype.createElement;
  Document.prototype.createElement = function (name, ...more) {
    const made = create.call(this, name, ...more);
    if (String(name).toLowerCase() === "style") made.nonce = nonce;
    return made;
  };

  window.WebSocket = class extends Socket {
    constructor(url) {
      super(url);
      this.addEventListener("open", () => {
        this.send(JSON.stringify(["token", token]));
        document.querySelector(".xterm-helper-textarea").focus();
      });
      this.addEventListener("close", (event) => {
        if (event.reason) document.querySelector("#why").textContent = event.reason;
      });
    }
  };

  const start = () => {
    document.body.classList.add("open");
    const script = document.createElement("script");
    script.src = "/static/textual.js";
    script.onload = () => window.onload(new Event("load"));
    document.head.append(script);
  };

  document.querySelector("#ask").addEventListener("submit", (event) => {
    event.preventDefault();
    token = document.querySelector("#token").value.trim();
    document.querySelector("#token").value = "";
    if (token) start();
    else document.querySelector("#said").textContent = "Enter the token.";
  });
  document.querySelector("#again").addEventListener("click", () => window.location.reload());
})();
