// @ts-check
// Calls the handler three times, as a platform would, and is then killed without notice.
//   node examples/serverless/main.js
import { handler } from './handler.js';

for (const question of ['one?', 'two?', 'three?']) console.log(await handler({ question }));
process.kill(process.pid, 'SIGKILL');
