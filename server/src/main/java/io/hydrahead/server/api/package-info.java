/**
 * Requests and responses of the OpenAI API. Requests are read strictly: a field that is wrong,
 * refused or unknown is an {@link io.hydrahead.server.api.ApiException} that names it.
 */
package io.hydrahead.server.api;
