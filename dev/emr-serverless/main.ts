// The EMR Serverless stand-in as a program. Prints {"ready":true,"port":N} on stdout when it listens; exits 0 on SIGTERM.
import { runProgram } from '../emr/program.ts';
import { EmrServerlessServer } from './server.ts';

runProgram({
  name: 'emr-serverless',
  title:
    "EMR Serverless stand-in: applications and job runs by the service's API, jobs run by a real spark-submit on this machine.",
  flags: {
    'provisioning-ms': ['for an application to be created, started, stopped', 200],
    'minute-ms': ['what a minute of executionTimeoutMinutes or idleTimeoutMinutes takes', 60_000],
    'concurrent-runs': ['job runs of an application at a time', 2],
  },
  accessKeyVariable: 'EMR_ACCESS_KEY_ID',
  create: ({ number, ...options }) =>
    new EmrServerlessServer({
      ...options,
      timing: {
        provisioningMs: number('provisioning-ms'),
        minuteMs: number('minute-ms'),
        concurrentRuns: number('concurrent-runs'),
      },
    }),
});
