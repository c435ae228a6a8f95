// What running steps needs besides the cluster: the Spark installation and S3.
import type { ObjectStore } from './object-store.ts';
import type { SparkInstallation } from './spark-submit.ts';

export interface Resources {
  spark: SparkInstallation;
  objects: ObjectStore;
}
