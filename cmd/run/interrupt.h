// SIGINT and SIGTERM: the first asks the loop to stop at the end of the step, a second SIGINT ends the process at once.
#pragma once

namespace bantam {

void catch_interrupts();
int interrupt_signal();  // SIGINT or SIGTERM if one came, else 0

}  // namespace bantam
