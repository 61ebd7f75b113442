// Turns C++ exceptions into the status and message of the C interface.
#pragma once
#include <exception>
#include <string>

#include "pcseg.h"

namespace pcseg {

// Thrown for wrong arguments; becomes PCSEG_BAD_INPUT, and InputError in Python.
struct BadInput {
    std::string message;
};

void set_error(const char* message);  // kept for the calling thread

// Runs body() and returns its status.
template <class Body>
int guarded(Body&& body) {
    try {
        body();
        return PCSEG_OK;
    } catch (const BadInput& bad) {
        set_error(bad.message.c_str());
        return PCSEG_BAD_INPUT;
    } catch (const std::exception& failure) {
        set_error(failure.what());
        return PCSEG_FAILED;
    } catch (...) {
        set_error("unknown failure");
        return PCSEG_FAILED;
    }
}

}  // namespace pcseg
