def problem_response(exc, context):  # placeholder until the API lands
    from rest_framework.views import exception_handler
    return exception_handler(exc, context)
