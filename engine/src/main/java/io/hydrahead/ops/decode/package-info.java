/** One token through a whole model in one launch, where a device can. */
package io.hydrahead.ops.decode;
