/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Earlier programs include this for clocks and threads. Everything is in zmq.h.
 */
#include <zmq.h>
