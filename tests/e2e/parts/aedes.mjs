// An aedes of its own: node aedes.mjs '{"module": ..., "port": ..., "login": [user, password] or null, "cert": ..., "key": ...}'
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";

const options = JSON.parse(process.argv[2]);
const { Aedes } = await import(options.module);
const [user, secret] = options.login || [];
const broker = await Aedes.createBroker({
  authenticate: (client, username, password, done) => {
    const welcome = !options.login || (username === user && String(password) === secret);
    done(welcome ? null : Object.assign(new Error("refused"), { returnCode: 4 }), welcome);
  },
});
const server = options.cert
  ? tls.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) }, broker.handle)
  : net.createServer(broker.handle);
server.listen(options.port, "127.0.0.1");
